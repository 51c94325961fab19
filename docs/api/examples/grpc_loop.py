"""The first loop over gRPC, with reflection: no generated code, no `.proto` file.

    pip install grpcio grpcio-reflection
    GRPC=127.0.0.1:50051 PASSWORD=… python3 grpc_loop.py

Where every part of the suite runs on its own, `GRPC` names all of them: `GRPC=auth:50051,equipment:50051,…`.
"""

import os
import time

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

# Each service, with the channel and the types of the server that has it.
services = {}
for address in os.environ.get("GRPC", "127.0.0.1:50051").split(","):
    channel = grpc.insecure_channel(address)
    database = ProtoReflectionDescriptorDatabase(channel)
    pool = DescriptorPool(database)
    services.update({name: (channel, pool) for name in database.get_services()})
metadata = []


def call(method, **request):
    """Calls `flightline.auth.v1.AuthService/CreateToken` with a message given as JSON would have it."""
    service, name = method.split("/")
    channel, pool = services[service]
    descriptor = pool.FindServiceByName(service).methods_by_name[name]
    request = ParseDict(request, GetMessageClass(descriptor.input_type)())
    rpc = channel.unary_unary(
        f"/{method}",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=GetMessageClass(descriptor.output_type).FromString,
    )
    answer = rpc(request, metadata=metadata, timeout=10)
    return MessageToDict(answer, preserving_proto_field_name=True)


def reading(time, temperature):
    return {"equipment_id": pump, "recorded_at": time, "metrics": {"temperature": temperature}}


# Log in.
token = call("flightline.auth.v1.AuthService/CreateToken", username="admin", password=os.environ["PASSWORD"])
metadata.append(("authorization", f"Bearer {token['access']}"))

# A pump, and a rule for its bearing.
equipment = {"name": "Pump 7", "type": "pump"}
pump = call("flightline.equipment.v1.EquipmentService/CreateEquipment", equipment=equipment)["id"]
rule = {
    "name": "Bearing too hot",
    "equipment_id": pump,
    "metric": "temperature",
    "condition": "ABOVE",
    "threshold": 90,
    "deadband": 5,
    "open_task": True,
}
call("flightline.telemetry.v1.RuleService/CreateRule", rule=rule)

# Readings: the second is too hot.
readings = [reading("2026-01-02T10:00:00Z", 71.2), reading("2026-01-02T10:01:00Z", 95.5)]
batch = call("flightline.telemetry.v1.TelemetryService/BatchCreateReadings", readings=readings)
assert batch == {"accepted": 2}, batch

# The alert has raised, and opens one task a moment later.
tasks = []
while not tasks:
    tasks = call("flightline.maintenance.v1.TaskService/ListTasks", equipment_id=pump).get("tasks", [])
    time.sleep(0 if tasks else 0.1)
task = tasks[0]["id"]

# Claim it and record the work, which completes the task.
call("flightline.maintenance.v1.TaskService/ClaimTask", id=task)
record = {"task_id": task, "work_done": "Greased the bearing."}
call("flightline.maintenance.v1.MaintenanceService/RecordMaintenance", record=record)
try:
    call("flightline.maintenance.v1.MaintenanceService/RecordMaintenance", record=record)
    raise AssertionError("a task was completed twice")
except grpc.RpcError as error:
    assert error.code() == grpc.StatusCode.FAILED_PRECONDITION, error

# The bearing cools down, and the alert clears.
call("flightline.telemetry.v1.TelemetryService/CreateReading", reading=reading("2026-01-02T10:30:00Z", 70))
status = call("flightline.maintenance.v1.TaskService/GetTask", id=task)["status"]
alerts = call("flightline.telemetry.v1.AlertService/ListAlerts", equipment_id=pump)["alerts"]
print(status, alerts[0]["state"])
