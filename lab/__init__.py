"""A private VPC in network namespaces: the world that penstock lives in, with real servers around it."""
