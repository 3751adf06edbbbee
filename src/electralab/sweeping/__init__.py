"""A sweep: its points, their jobs, its record; what is finished is not done again."""
