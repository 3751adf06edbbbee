import hydra

@hydra.main(version_base="1.3", config_path="pkg://electralab.conf", config_name="config")
def main(cfg):
    print(cfg.name)

def entry():
    main()
