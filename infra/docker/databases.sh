#!/usr/bin/env bash
# Makes two databases with an owner each, Prefect's and the ledger, and a role that reads the ledger for
# dashboards. The postgres image runs it once, when its volume is empty; anywhere else, run it with PGHOST,
# PGUSER and the three passwords set.
set -euo pipefail

psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname postgres <<'SQL'
\getenv server SERVER_DATABASE_PASSWORD
\getenv ledger LEDGER_DATABASE_PASSWORD
\getenv reader LEDGER_READER_PASSWORD
CREATE ROLE prefect LOGIN PASSWORD :'server';
CREATE ROLE xtendflow LOGIN PASSWORD :'ledger';
CREATE DATABASE prefect OWNER prefect;
CREATE DATABASE xtendflow OWNER xtendflow;
REVOKE CONNECT ON DATABASE prefect FROM PUBLIC;
REVOKE CONNECT ON DATABASE xtendflow FROM PUBLIC;
CREATE ROLE dashboards LOGIN PASSWORD :'reader' CONNECTION LIMIT 10;
ALTER ROLE dashboards SET default_transaction_read_only = on;
ALTER ROLE dashboards SET statement_timeout = '30s';
GRANT CONNECT ON DATABASE xtendflow TO dashboards;
\connect xtendflow
-- The owner makes the tables later.
ALTER DEFAULT PRIVILEGES FOR ROLE xtendflow GRANT SELECT ON TABLES TO dashboards;
SQL
