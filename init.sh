#!/usr/bin/env bash
# The data story: check and hash the three CSV files, find or start PostgreSQL, load them with sql/
# in one transaction, check what was loaded. Safe to run again: the same files change no row.
set -Eeuo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly ROOT
readonly CSV_FILES=(X_train_update.csv Y_train_CVw08PX.csv X_test_update.csv)
readonly WAIT_SECONDS=60
# This command, as it can be pasted from any folder; with its settings once they are read.
ME=$(printf 'bash %q' "$ROOT/init.sh")

DEMO=false
ACCEPT_NEW_SHARES=false
REPLACE=()
CONFIG_OPTIONS=()

usage() {
    cat <<'TEXT'
usage: bash init.sh [--demo] [--config FILE] [--set KEY=VALUE]... [--accept-new-shares] [--replace]

Loads import/X_train_update.csv, Y_train_CVw08PX.csv and X_test_update.csv into PostgreSQL.

  --demo                draw a demo shop where import/ is empty (DEMO_ROWS=3000, DEMO_IMAGES=all)
  --config FILE         settings (default: config/config.toml)
  --set KEY=VALUE       override one setting, such as validation.max_reject_rate=0.01
  --accept-new-shares   load even if the classes have quite other shares than before
  --replace             load over what another workspace loaded into the local server
  --help                this text

The server: DATABASE_URL, else this workspace's own embedded one, else one that answers on
localhost:5433 (PGPORT), else Docker, else a new embedded PostgreSQL 16 under data/postgres, on a
port that is free and kept. The password is POSTGRES_PASSWORD, that of the role of service and app
APP_POSTGRES_PASSWORD, from the environment or .env (see .env.example). Exit status: 0 loaded;
2 refused, and then the database is as it was, or loaded without the role, and then it is said.
TEXT
}

# --- talking ------------------------------------------------------------------------------------

# fail MESSAGE NEXT_COMMAND
fail() {
    printf 'error: %s\nnext: %s\n' "$1" "$2" >&2
    exit 2
}

unexpected() {
    printf 'error: init.sh stopped at line %s\nnext: bash -x %q\n' "$1" "$ROOT/init.sh" >&2
    exit 2
}

now() {
    local time=${EPOCHREALTIME:-$(date +%s)}
    printf '%s' "${time/,/.}"
}

# step TITLE COMMAND...: run a step and print how long it took.
step() {
    local title=$1 begin
    begin=$(now)
    printf -- '-- %s\n' "$title"
    "${@:2}"
    awk -v a="$begin" -v b="$(now)" 'BEGIN { printf "   %.1f s\n", b - a }'
}

# --- settings -----------------------------------------------------------------------------------

parse_arguments() {
    while (($#)); do
        case $1 in
            --demo) DEMO=true ;;
            --accept-new-shares) ACCEPT_NEW_SHARES=true ;;
            --replace) REPLACE=(--replace) ;;
            --config | --set)
                (($# > 1)) || fail "$1 needs a value" "$ME --help"
                local value=$2
                [[ $1 == --config && $value != /* ]] && value=$PWD/$value
                CONFIG_OPTIONS+=("$1" "$value")
                shift
                ;;
            -h | --help)
                usage
                exit 0
                ;;
            *) fail "unknown option $1" "$ME --help" ;;
        esac
        shift
    done
    ((${#CONFIG_OPTIONS[@]} == 0)) || ME+=$(printf ' %q' "${CONFIG_OPTIONS[@]}")
}

find_python() {
    if [[ -z ${PYTHON:-} ]]; then
        PYTHON=$ROOT/.venv/bin/python
        [[ -x $PYTHON ]] || PYTHON=$(command -v python3) ||
            fail "no Python: neither \$PYTHON, .venv/bin/python nor python3" "make demo"
    elif [[ $PYTHON == */* && $PYTHON != /* ]]; then
        PYTHON=$PWD/$PYTHON
    fi
    command -v "$PYTHON" >/dev/null || fail "PYTHON=$PYTHON is no program" "env -u PYTHON $ME"
}

# etl MODULE OPTION...: run a module of etl/ with this interpreter, where the user stands.
etl() {
    PYTHONPATH=$ROOT "$PYTHON" "$ROOT/etl/$1.py" "${@:2}"
}

read_settings() {
    local lines
    if ! lines=$(etl manifest_and_hash --settings ${CONFIG_OPTIONS[@]+"${CONFIG_OPTIONS[@]}"} \
        2>"$WORK/errors"); then
        if grep -q 'ModuleNotFoundError' "$WORK/errors"; then
            fail "$(tail -n 1 "$WORK/errors") ($PYTHON)" \
                "$(printf '%q -m pip install -r %q' "$PYTHON" "$ROOT/requirements.txt")"
        fi
        cat "$WORK/errors" >&2
        exit 2
    fi
    {
        read -r WORKSPACE
        read -r IMPORT_DIR
        read -r RESULTS_DIR
        read -r MAX_REJECT_RATE
        read -r CODES
    } <<<"$lines"
}

# --- files --------------------------------------------------------------------------------------

count_csv_files() {
    local name count=0
    for name in "${CSV_FILES[@]}"; do
        [[ -e $IMPORT_DIR/$name ]] && count=$((count + 1))
    done
    printf '%s' "$count"
}

draw_demo_shop() {
    local count
    count=$(count_csv_files)
    if ((count > 0)) && [[ ! -e $IMPORT_DIR/SYNTHETIC ]]; then
        printf '   official files lie in %s: no demo shop is drawn\n' "$IMPORT_DIR"
    elif ((count == ${#CSV_FILES[@]})) && grep -qE '^[0-9a-f]{64}  ' "$IMPORT_DIR/SYNTHETIC"; then
        printf '   the demo shop in %s is kept\n' "$IMPORT_DIR"
    else
        PYTHONPATH=$ROOT "$PYTHON" "$ROOT/tools/make_demo_data.py" --rows "${DEMO_ROWS:-3000}" \
            --images "${DEMO_IMAGES:-1000000}" --seed 42 --out "$IMPORT_DIR" ||
            fail "the demo shop could not be drawn" \
                "$(printf '%q %q --help' "$PYTHON" "$ROOT/tools/make_demo_data.py")"
    fi
}

check_and_hash() {
    if (($(count_csv_files) == 0)); then
        fail "$IMPORT_DIR holds none of the three files (${CSV_FILES[*]})" \
            "$ME --demo"
    fi
    etl manifest_and_hash ${CONFIG_OPTIONS[@]+"${CONFIG_OPTIONS[@]}"} || exit 2
}

# --- server -------------------------------------------------------------------------------------

# The client: from PATH, else the embedded package's; else that of the container (start_docker).
find_psql() {
    PSQL=()
    if command -v psql >/dev/null; then
        PSQL=(psql)
    elif PSQL_PROGRAM=$(etl postgres_server psql 2>/dev/null); then
        PSQL=("$PSQL_PROGRAM")
    fi
    TARGET=("$URL")
}

# Its words are English and its dates ISO, whatever the machine's and the server's are. Everybody may
# read the arguments of a program: the password is none.
run_psql() (
    [[ -z $PASSWORD ]] || export PGPASSWORD=$PASSWORD
    LC_ALL=C PGCONNECT_TIMEOUT=5 PGCLIENTENCODING=UTF8 PGDATESTYLE=ISO PGOPTIONS='' \
        "${PSQL[@]}" -X -q -v ON_ERROR_STOP=1 -v SHOW_CONTEXT=never "$@" "${TARGET[@]}"
)

# ask_for_server OPTION...: what and where it is, its password, and names as messages have them.
ask_for_server() {
    local lines
    lines=$(etl find_server "$WORKSPACE/data/postgres" "$@" \
        ${CONFIG_OPTIONS[@]+"${CONFIG_OPTIONS[@]}"}) || exit 2
    {
        IFS= read -r KIND
        IFS= read -r URL
        IFS= read -r PASSWORD
        IFS= read -r SHOWN_URL
        IFS= read -r WORKSPACE_NAME
    } <<<"$lines"
}

find_server() {
    local name
    ask_for_server ${REPLACE[@]+"${REPLACE[@]}"}
    find_psql
    if [[ $KIND != given ]]; then
        # The local server is reached whatever the shell exports for another one.
        for name in $(compgen -e PG || true); do
            [[ $name == PGPORT ]] || unset "$name"
        done
    fi
    # A machine without psql has that of the container.
    [[ $KIND == local && ${#PSQL[@]} == 0 ]] && KIND=none
    case $KIND in
        none) start_docker || start_embedded ;;
        embedded) printf '   embedded PostgreSQL runs in %s\n' "$WORKSPACE/data/postgres" ;;
        *) printf '   %s answers\n' "$SHOWN_URL" ;;
    esac
    ((${#PSQL[@]} > 0)) || fail "no psql here" \
        "$(printf '%q -m pip install -r %q' "$PYTHON" "$ROOT/requirements.txt")"
}

start_docker() {
    local compose=(docker compose -f "$ROOT/docker-compose.yml") logs
    logs="$(printf '%q ' "${compose[@]}")logs postgres"
    command -v docker >/dev/null && docker compose version >/dev/null 2>&1 &&
        docker info >/dev/null 2>&1 || return 1
    "${compose[@]}" up -d postgres || fail "docker could not start the service postgres" "$logs"
    if ((${#PSQL[@]} == 0)); then
        [[ $IMPORT_DIR == "$ROOT/import" ]] ||
            fail "there is no psql here, and the container sees only $ROOT/import" \
                "$(printf '%q -m pip install -r %q' "$PYTHON" "$ROOT/requirements.txt")"
        PSQL=("${compose[@]}" exec -T -w /project postgres psql)
        TARGET=(-U mlops -d rakuten)
    fi
    local deadline=$((SECONDS + WAIT_SECONDS))
    until run_psql -c 'SELECT 1' </dev/null >/dev/null 2>&1; do
        ((SECONDS < deadline)) || fail "the container does not answer" "$logs"
        sleep 0.5
    done
    printf '   PostgreSQL runs in Docker (rakuten_db)\n'
}

start_embedded() {
    ask_for_server --start
    TARGET=("$URL")
    printf '   embedded PostgreSQL runs in %s\n' "$WORKSPACE/data/postgres"
}

# --- loading ------------------------------------------------------------------------------------

# What psql reads from standard input, as the container sees no file of ours but import/ and sql/:
# the image manifest, and corrections that the service wrote while no database answered.
collect_lines() {
    local manifest=$WORKSPACE/images_manifest.json feedback=$RESULTS_DIR/feedback.jsonl
    [[ ! -e $manifest ]] || lines_of images_manifest.json <"$manifest"
    [[ ! -e $feedback ]] || etl lines feedback "$feedback" | lines_of feedback.jsonl || exit 2
}

# lines_of FILE: every line as a row of project.staging_lines.
lines_of() {
    LC_ALL=C sed $'s/^/'"$1"$'\x01/'
}

# All of 00-29 in one call and one transaction: any failure leaves every table as it was.
load() {
    local file files=() status=0
    for file in "$ROOT"/sql/[012]*.sql; do
        files+=(-f "sql/${file##*/}")
    done
    collect_lines >"$WORK/lines"
    # \copy expands no variables: it names import/, which is a link to wherever the files are. Names
    # of one word, as sql/, are also what psql's messages can be read by.
    ln -s "$IMPORT_DIR" "$WORK/import"
    ln -s "$ROOT/sql" "$WORK/sql"
    (cd "$WORK" && run_psql --single-transaction \
        -v snapshot="$(<"$WORKSPACE/snapshot.json")" -v codes="$CODES" -v workspace="$WORKSPACE_NAME" \
        -v max_reject_rate="$MAX_REJECT_RATE" -v accept_new_shares="$ACCEPT_NEW_SHARES" \
        "${files[@]}" <"$WORK/lines" >"$WORK/rejects.csv" 2>"$WORK/errors") || status=$?
    keep_rejects
    ((status == 0)) || explain_refusal
}

keep_rejects() {
    local kept=$RESULTS_DIR/rejects.csv
    if (($(wc -l <"$WORK/rejects.csv") > 1)); then
        mkdir -p "$RESULTS_DIR"
        cp "$WORK/rejects.csv" "$kept.tmp"
        mv -f "$kept.tmp" "$kept"
        etl lines rejects "$kept"
        printf '  all of them: %s\n' "$kept"
    else
        rm -f "$kept"
    fi
}

explain_refusal() {
    local message next=$ME
    # "psql:FILE:LINE: ERROR:  text" without its beginning, in the server's language.
    message=$(sed -E 's#^psql:[^ ]+ [^ :]+: *##' "$WORK/errors")
    case $message in
        *'rejected training rows'*) next=$(printf 'cat %q' "$RESULTS_DIR/rejects.csv") ;;
        *'class shares against'*) next="$ME --accept-new-shares" ;;
    esac
    fail "${message:-psql stopped without a word}
the database is as it was before" "$next"
}

index_texts() {
    (cd "$WORK" && run_psql -f sql/30_text_search.sql) </dev/null
}

show_checks() {
    run_psql -P footer=off -c 'TABLE project.latest_checks' </dev/null
}

# The same settings, as it can be pasted where the user stands.
print_next_command() {
    local python=python
    [[ $(command -v python || true) == "$PYTHON" ]] || python=$(printf '%q' "${PYTHON#"$ROOT"/}")
    printf 'next: '
    [[ $PWD == "$ROOT" ]] || printf 'cd %q && ' "$ROOT"
    printf '%s scripts/train_pipeline.py' "$python"
    ((${#CONFIG_OPTIONS[@]} == 0)) || printf ' %q' "${CONFIG_OPTIONS[@]}"
    printf '\n'
}

main() {
    trap 'unexpected $LINENO' ERR
    parse_arguments "$@"
    WORK=$(mktemp -d)
    trap 'rm -rf "$WORK"' EXIT
    trap 'printf "\n"; fail "interrupted: the database is as it was before" "$ME"' INT
    find_python
    read_settings
    if $DEMO; then
        step "demo shop" draw_demo_shop
    fi
    step "check and hash the files" check_and_hash
    step "find or start PostgreSQL" find_server
    step "load and check, in one transaction" load
    step "text index" index_texts
    show_checks
    etl app_role ${CONFIG_OPTIONS[@]+"${CONFIG_OPTIONS[@]}"} || exit 2
    print_next_command
}

main "$@"
