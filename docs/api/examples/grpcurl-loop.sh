#!/usr/bin/env bash
# The first loop over gRPC with grpcurl and jq. Reflection tells grpcurl what there is.
#
#     GRPC=127.0.0.1:50051 PASSWORD=… ./grpcurl-loop.sh
set -euo pipefail
GRPC=${GRPC:-127.0.0.1:50051}

# call package.Service/Method '{"field": "value"}': answers JSON, with names in lowerCamelCase.
TOKEN=
call() {
  grpcurl -plaintext -use-reflection -emit-defaults -H "authorization: Bearer $TOKEN" -d "$2" "$GRPC" "flightline.$1"
}

# What there is, and what one method takes.
grpcurl -plaintext "$GRPC" list >&2
grpcurl -plaintext "$GRPC" describe flightline.maintenance.v1.ClaimTaskRequest >&2

# Log in.
TOKEN=$(grpcurl -plaintext -d "{\"username\": \"admin\", \"password\": \"$PASSWORD\"}" "$GRPC" \
  flightline.auth.v1.AuthService/CreateToken | jq -r .access)

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
