"""Simulated Salesforce org and Stripe account, written from the vendors' documentation only."""
