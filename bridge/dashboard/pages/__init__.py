"""The pages, one a module: each has a `layout` and `register`s its callbacks."""
