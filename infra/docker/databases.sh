#!/usr/bin/env bash
# Makes two databases with an owner each: Prefect's and the ledger. The postgres image runs it once, when its
# volume is empty; anywhere else, run it with PGHOST, PGUSER and the two passwords set.
set -euo pipefail

psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname postgres <<'SQL'
\getenv server SERVER_DATABASE_PASSWORD
\getenv ledger LEDGER_DATABASE_PASSWORD
CREATE ROLE prefect LOGIN PASSWORD :'server';
CREATE ROLE xtendflow LOGIN PASSWORD :'ledger';
CREATE DATABASE prefect OWNER prefect;
CREATE DATABASE xtendflow OWNER xtendflow;
REVOKE CONNECT ON DATABASE prefect FROM PUBLIC;
REVOKE CONNECT ON DATABASE xtendflow FROM PUBLIC;
SQL
