"""Criteria: how a combination is scored or chosen; lower scores are better to remove.

A criterion is a function that is asked for one of two things:

- *additive*: `(network, data)` or `(network, data, layers)`, the dense network, -> the scores of its filters, layer ->
  shape (filters,); a combination's score is the sum over its removed filters (see `additive`);
- *of the pruned network*: `(network, data)`, the network without a combination's filters -> that combination's score.

`data` are the training images that training-set metrics are measured on, `layers` the names of the prunable layers.
"""
