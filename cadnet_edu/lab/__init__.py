"""Reproduce the paper's tables, figures and claims: every run leaves a record, and every number is read from records.

- ``rows``: the runs of each table;
- ``scoring``, ``analyses``, ``measure``: from a trained network to its record;
- ``run_all``: train and measure every run once;
- ``records``: store records, and find them by settings, seed and data;
- ``tables``, ``figures_3_4``, ``extra_analyses``, ``claims``: from records to results;
- ``publish``: results that come with the source; ``export``: trained networks that come with the package.

``cadnet-edu reproduce`` (``cadnet_edu.cli.reproduce``) calls them.
"""
