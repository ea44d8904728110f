"""Analysis: what the records of a study say about a criterion, as numbers, tables and figures."""
