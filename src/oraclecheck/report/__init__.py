"""The report: words, tables, figures and a page made of what the analysis found."""
