#!/usr/bin/env bash
# The first loop with `buf curl` and jq: over gRPC, or over gRPC-Web as browsers speak it.
#
#     URL=http://127.0.0.1:50051 PROTOCOL=grpc PASSWORD=… ./buf-curl-loop.sh
#     URL=http://127.0.0.1:8000 PROTOCOL=grpcweb PASSWORD=… ./buf-curl-loop.sh
set -euo pipefail
URL=${URL:-http://127.0.0.1:50051} PROTOCOL=${PROTOCOL:-grpc}
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# call package.Service/Method '{"field": "value"}'. gRPC asks the server what there is; gRPC-Web has no reflection here, so
# the .proto files tell.
TOKEN=
case $PROTOCOL in
  grpc) OPTIONS=(--http2-prior-knowledge) ;;
  grpcweb) OPTIONS=(--schema "$HERE/../../../proto") ;;
esac
call() {
  buf curl --protocol "$PROTOCOL" "${OPTIONS[@]}" --emit-defaults -H "authorization: Bearer $TOKEN" -d "$2" "$URL/flightline.$1"
}

# Log in.
TOKEN=$(call auth.v1.AuthService/CreateToken "{\"username\": \"admin\", \"password\": \"$PASSWORD\"}" | jq -r .access)

# A pump, and a rule for its bearing.
PUMP=$(call equipment.v1.EquipmentService/CreateEquipment '{"equipment": {"name": "Pump 7", "type": "pump"}}' | jq -r .id)
call telemetry.v1.RuleService/CreateRule '{"rule": {"name": "Bearing too hot", "equipment_id": "'"$PUMP"'",
  "metric": "temperature", "condition": "ABOVE", "threshold": 90, "deadband": 5, "open_task": true}}' >&2

# Readings: the second is too hot.
call telemetry.v1.TelemetryService/BatchCreateReadings '{"readings": [
  {"equipment_id": "'"$PUMP"'", "recorded_at": "2026-01-02T10:00:00Z", "metrics": {"temperature": 71.2}},
  {"equipment_id": "'"$PUMP"'", "recorded_at": "2026-01-02T10:01:00Z", "metrics": {"temperature": 95.5}}]}' >&2

# The alert has raised, and opens one task a moment later.
until TASK=$(call maintenance.v1.TaskService/ListTasks '{"equipment_id": "'"$PUMP"'"}' | jq -er '.tasks[0].id'); do sleep 0.1; done

# Claim it and record the work, which completes the task. A second record is refused.
call maintenance.v1.TaskService/ClaimTask '{"id": "'"$TASK"'"}' >&2
RECORD='{"record": {"task_id": "'"$TASK"'", "work_done": "Greased the bearing."}}'
call maintenance.v1.MaintenanceService/RecordMaintenance "$RECORD" >&2
if call maintenance.v1.MaintenanceService/RecordMaintenance "$RECORD" >&2; then exit 1; fi

# The bearing cools down, and the alert clears.
call telemetry.v1.TelemetryService/CreateReading '{"reading": {"equipment_id": "'"$PUMP"'",
  "recorded_at": "2026-01-02T10:30:00Z", "metrics": {"temperature": 70}}}' >&2
STATUS=$(call maintenance.v1.TaskService/GetTask '{"id": "'"$TASK"'"}' | jq -r .status)
STATE=$(call telemetry.v1.AlertService/ListAlerts '{"equipment_id": "'"$PUMP"'"}' | jq -r '.alerts[0].state')
echo "$STATUS $STATE"
