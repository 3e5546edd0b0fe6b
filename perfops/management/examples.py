"""Worked examples of each command, for the end of its ``--help``.

Lines "manage.py NAME ...", two spaces, what for: a test has each command parse its own.
"""

EXAMPLES = {
    "aa_test": """
manage.py aa_test                              with 24 pairs, 30 minutes at most
manage.py aa_test --pairs 8 --minutes 5        a first idea
manage.py aa_test --format json                for a program
""",
    "advise_indexes": """
manage.py advise_indexes                       what waits, with the edits of the models
manage.py advise_indexes --write-migrations    put the migrations into their apps
manage.py advise_indexes --format json         for a program
""",
    "analyze_db": """
manage.py analyze_db                                  problems and their fixes, worst first
manage.py analyze_db --since 24h                      of the last day
manage.py analyze_db --only slow_queries,n_plus_one     these advisors alone
manage.py analyze_db --format sarif --output db.sarif   for a code scanner
manage.py analyze_db --fail-on warning --no-store     in CI: exit code 1 for a warning, no trace
""",
    "budget_rules": """
manage.py budget_rules                                     print the rules
manage.py budget_rules --output infra/prometheus/budgets.yml
manage.py budget_rules --check infra/prometheus/budgets.yml  exit code 1 unless it is in step
manage.py budget_rules --format json                       the groups, for a program
""",
    "capacity_report": """
manage.py capacity_report                      growth, room that is left, what is full first
manage.py capacity_report --days 365           of a year
manage.py capacity_report --keep --format markdown
""",
    "check_budget": """
manage.py check_budget                               the newest run against the budgets
manage.py check_budget --scenario smoke --format markdown
manage.py check_budget --run 12 --format junit       for CI's list of tests
manage.py check_budget --deterministic               counts of requests against the committed file
manage.py check_budget --against main                this build against another, in turn
""",
    "k6_scenario": """
manage.py k6_scenario shop                            20 requests a second for a minute
manage.py k6_scenario shop --rate 100 --seconds 300   more, and longer
manage.py k6_scenario shop --replace --format json    again; what was written, for a program
""",
    "list_routes": """
manage.py list_routes > routes.json                   all URLs that can be asked for by GET
manage.py list_routes --observed --days 3             with the shares of the traffic of three days
manage.py list_routes --format text                   a line for each route
""",
    "load_run": """
manage.py load_run 12                 how far it is; its report when it has ended
manage.py load_run 12 --rate 150      go on with 150 requests a second, to the end of its plan
manage.py load_run 12 --cancel        end it within seconds
manage.py load_run 12 --format json   for a program
""",
    "perfops": """
manage.py perfops                  five lines: fine or not, last run, budgets, findings, now
manage.py perfops --format json    the same for a program
manage.py perfops --format markdown   for a chat or an issue
manage.py perfops && ./deploy      exit codes: 0 fine, 1 not fine, 2 not known
""",
    "perfops_start": """
manage.py perfops_start                       what is missing, then the first three things to do
manage.py perfops_start --database replica    of another database
manage.py perfops_start --format json         the same for a program
""",
    "perfops_task": """
manage.py perfops_task > perfops.cron      all of it as lines of a crontab
manage.py perfops_task take_snapshot       keep the counters of this hour
manage.py perfops_task expire_samples      drop what is past its retention
manage.py perfops_task --format json       the schedules for a program
""",
    "run_load_test": """
manage.py run_load_test smoke                      by a Celery worker, watched to its verdict
manage.py run_load_test smoke --here               in this process, without a worker
manage.py run_load_test smoke --format markdown    the verdict for a comment on a change
manage.py run_load_test smoke --find-limit         the highest rate that keeps the budgets
""",
    "set_budgets": """
manage.py set_budgets budgets.json                         as the file says, all others off
manage.py set_budgets budgets.json --why "a faster disk"   with a reason for the history
manage.py set_budgets budgets.json --format json           how many were set, for a program
""",
}
