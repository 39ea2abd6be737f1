"""The paper's tables, figures and claims, recomputed: runs as data, a record for each, and all numbers from records.

- ``rows``: which runs a table is made of;
- ``scoring``, ``analyses``, ``measure``: from a trained network to its record;
- ``run_all``: each run done once, whatever happens in between;
- ``records``: what a run leaves behind, found again by settings, seed and data;
- ``tables``, ``figures_3_4``, ``extra_analyses``, ``claims``: from records to what is shown;
- ``publish``: results that come with the source; ``export``: trained networks that come with the package.

``cadnet-edu reproduce`` (``cadnet_edu.cli.reproduce``) calls them.
"""
