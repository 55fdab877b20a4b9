"""One Salesforce org over REST."""
