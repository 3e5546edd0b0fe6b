"""Metrics of many processes: each writes a file of its own, whoever scrapes adds them up.

``segment`` is one process' file, ``values`` puts prometheus_client's numbers into it, ``direct``
moves several of them in one step, and ``gathering`` folds the files of the dead into one and adds
up what is left.
"""
