"""Metrics of many processes: each writes a file of its own, whoever scrapes adds them up.

``segment`` is one process' file, ``values`` puts prometheus_client's numbers into it, and
``aggregate`` folds the files of ended processes into one and adds up what is left.
"""
