"""The profile zimaboard on a host that is made as its owner's is."""
