"""A dataset in the layouts that other projects read: one module of pure functions a project, `formats.FORMATS` lists them."""
