"""The paper's tables, figures and claims, recomputed: runs as data, a record for each, and all numbers from records.

- ``rows``: which runs a table is made of;
- ``asking``, ``analyses``, ``measure``: from a trained network to its record;
- ``conduct``: each run done once, whatever happens in between;
- ``tables``, ``galleries``, ``beyond``: from records to what is shown;
- ``publish``: results that come with the source; ``ship``: trained networks that come with the package;
- ``commands``: ``cadnet-edu reproduce``.
"""
