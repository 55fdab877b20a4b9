"""Salesforce records become domain values, by configuration. Pure."""
