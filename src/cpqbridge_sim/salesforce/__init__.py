"""A simulated Salesforce org with Salesforce CPQ."""
