"""The `cpqbridge` command, one file per noun."""
