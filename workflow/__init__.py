"""The way from catalogues to a page: which runs exist, what each depends on, and who may run."""
