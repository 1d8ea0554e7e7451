"""Records of calls: read from files, kept in the store, computed with in columns."""
