#!/usr/bin/env bash
# The first loop from a shell, with jq and a caller: `grpcurl`, or `buf curl` in `grpc` or in `grpcweb`, as browsers speak it.
#
#     ADDRESS=127.0.0.1:50051 PASSWORD=… ./grpc-loop.sh grpcurl
#     ADDRESS=127.0.0.1:50051 PASSWORD=… ./grpc-loop.sh grpc
#     ADDRESS=127.0.0.1:8000 PROTOS=flightline.binpb PASSWORD=… ./grpc-loop.sh grpcweb
#
# The gRPC port says by reflection what there is. The REST port speaks gRPC and gRPC-Web, too, and there the .proto files say it,
# as `buf build ../../../proto --output flightline.binpb` packs them.
set -euo pipefail
ADDRESS=${ADDRESS:-127.0.0.1:50051}
TOKEN=

# call package.Service/Method '{"field": "value"}': answers JSON, with names in lowerCamelCase.
case ${1:-grpcurl} in
  grpcurl)
    SCHEMA=(${PROTOS:+-protoset "$PROTOS"})
    call() {
      grpcurl -plaintext "${SCHEMA[@]}" -emit-defaults -H "authorization: Bearer $TOKEN" -d "$2" "$ADDRESS" "flightline.$1"
    }
    # What there is, and what one method takes.
    grpcurl -plaintext "${SCHEMA[@]}" "$ADDRESS" list >&2
    grpcurl -plaintext "${SCHEMA[@]}" "$ADDRESS" describe flightline.maintenance.v1.ClaimTaskRequest >&2
    ;;
  grpc | grpcweb)
    OPTIONS=(--protocol "$1" ${PROTOS:+--schema "$PROTOS"})
    if [ "$1" = grpc ]; then OPTIONS+=(--http2-prior-knowledge); fi
    call() {
      buf curl "${OPTIONS[@]}" --emit-defaults -H "authorization: Bearer $TOKEN" -d "$2" "http://$ADDRESS/flightline.$1"
    }
    ;;
  *) echo "No such caller: $1" >&2; exit 1 ;;
esac

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
