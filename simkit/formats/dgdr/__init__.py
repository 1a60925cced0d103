"""DynamoGraphDeploymentRequests: read, checked, written."""
