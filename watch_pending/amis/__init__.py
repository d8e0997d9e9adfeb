"""The account's AMIs: publish the list of them, prune the old ones."""
