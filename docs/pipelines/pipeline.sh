#!/usr/bin/env bash
# What a pipeline does with a stack, whatever runs the pipeline.
#
#   pipeline.sh preview   print what `apply` would change and keep it in $PLAN; ends with 0 whether or not that is nothing
#   pipeline.sh apply     make the stack what the program says
#   pipeline.sh drift     print what differs from the program and keep it in $PLAN; ends with 3 when something does
#
# Whatever fails ends with 1, a wrong call with 2.
#
# Needs STACK, PULUMI_BACKEND_URL (where the state is, for every run the same) and PULUMI_CONFIG_PASSPHRASE or
# PULUMI_CONFIG_PASSPHRASE_FILE. PLAN is plan.txt unless given.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly CHANGES=7 # Pulumi's exit status for `--expect-no-changes` when there are some

usage() {
    printf 'pipeline.sh: %s\n' "$1" >&2
    exit 2
}

plan() { # OPTION...: a preview, printed and kept
    .venv/bin/mooring preview --stack "$STACK" --diff --non-interactive --color never "$@" | tee "${PLAN:-plan.txt}"
}

drift() {
    local status=0
    plan --expect-no-changes || status=$?
    case $status in
        0) ;;
        "$CHANGES") exit 3 ;;
        *) exit 1 ;;
    esac
}

verb=${1-}
[[ $# == 1 && $verb =~ ^(preview|apply|drift)$ ]] || usage 'one of preview, apply and drift must be given, and nothing else'
for name in STACK PULUMI_BACKEND_URL; do
    [[ ${!name-} ]] || usage "$name must be set"
done
[[ ${PULUMI_CONFIG_PASSPHRASE+set} || ${PULUMI_CONFIG_PASSPHRASE_FILE-} ]] ||
    usage 'PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE must be set'

make prepare || exit 1
case $verb in
    preview) plan || exit 1 ;;
    apply) .venv/bin/mooring up --stack "$STACK" --non-interactive --color never || exit 1 ;;
    drift) drift ;;
esac
