"""The resources of the API: what each endpoint does with its checked parameters."""
