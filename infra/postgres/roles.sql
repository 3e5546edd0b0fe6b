-- The roles of Midst on PostgreSQL 15 or newer. A superuser runs it in the database; it may be
-- run again, e.g. with new passwords. psql variables: owner, app, analysis, exporter, backup
-- (passwords).
--
--   midst_owner     owns the database and its tables; migrations run as this role
--   midst_app       reads and writes rows; web, beat and the metrics server
--   midst_analysis  midst_app and pg_monitor; the worker, which analyses the database
--   midst_exporter  pg_monitor, five connections; Prometheus' exporter
--   midst_backup    copies the cluster and reads its WAL; reads no table
--
-- Limits belong to the role, so they hold behind PgBouncer too, which drops what a client asks
-- for when it connects.
\set ON_ERROR_STOP on

CREATE EXTENSION IF NOT EXISTS pg_stat_statements;

SELECT format('CREATE ROLE %I LOGIN', name)
FROM unnest(ARRAY['midst_owner', 'midst_app', 'midst_analysis', 'midst_exporter', 'midst_backup'])
  AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)
\gexec

ALTER ROLE midst_owner PASSWORD :'owner';
ALTER ROLE midst_app PASSWORD :'app';
ALTER ROLE midst_analysis PASSWORD :'analysis';
ALTER ROLE midst_exporter PASSWORD :'exporter' CONNECTION LIMIT 5;
ALTER ROLE midst_backup PASSWORD :'backup' REPLICATION;
GRANT midst_app TO midst_analysis;
GRANT pg_monitor TO midst_analysis, midst_exporter;
-- So that the statements of an analysis do not count themselves.
GRANT SET ON PARAMETER "pg_stat_statements.track" TO midst_analysis;
-- So that it can say when it copied the cluster, where the exporter reads it.
GRANT SET ON PARAMETER "midst_backup.copied_at" TO midst_backup;

SELECT format('ALTER DATABASE %I OWNER TO midst_owner', current_database()),
       format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database()),
       format('GRANT CONNECT ON DATABASE %I TO midst_app, midst_exporter', current_database())
\gexec
GRANT USAGE ON SCHEMA public TO midst_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO midst_app;
GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA public TO midst_app;
ALTER DEFAULT PRIVILEGES FOR ROLE midst_owner IN SCHEMA public
  GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO midst_app;
ALTER DEFAULT PRIVILEGES FOR ROLE midst_owner IN SCHEMA public
  GRANT USAGE, SELECT, UPDATE ON SEQUENCES TO midst_app;

-- Web: below gunicorn's own limit of 60 s. A migration gives up on a locked table rather than
-- let every request queue behind it.
ALTER ROLE midst_app SET statement_timeout = '30s';
ALTER ROLE midst_app SET lock_timeout = '5s';
ALTER ROLE midst_app SET idle_in_transaction_session_timeout = '60s';
ALTER ROLE midst_owner SET lock_timeout = '5s';
ALTER ROLE midst_owner SET idle_in_transaction_session_timeout = '60s';
ALTER ROLE midst_analysis SET statement_timeout = '10min';
ALTER ROLE midst_analysis SET lock_timeout = '5s';
ALTER ROLE midst_analysis SET idle_in_transaction_session_timeout = '10min';
ALTER ROLE midst_exporter SET statement_timeout = '10s';
