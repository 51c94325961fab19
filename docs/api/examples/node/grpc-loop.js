// The first loop over gRPC from Node, with the `.proto` files and no generated code.
//
//     npm ci
//     GRPC=127.0.0.1:50051 PASSWORD=… node grpc-loop.js
import assert from "node:assert/strict";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import grpc from "@grpc/grpc-js";
import loader from "@grpc/proto-loader";

const address = process.env.GRPC ?? "127.0.0.1:50051";
const protos = fileURLToPath(new URL("../../../../proto", import.meta.url));
const files = [
  "flightline/auth/v1/auth.proto",
  "flightline/equipment/v1/equipment.proto",
  "flightline/maintenance/v1/maintenance.proto",
  "flightline/maintenance/v1/task.proto",
  "flightline/telemetry/v1/alert.proto",
  "flightline/telemetry/v1/reading.proto",
  "flightline/telemetry/v1/rule.proto",
];
const options = { includeDirs: [protos], keepCase: true, enums: String, longs: Number };
const { flightline } = grpc.loadPackageDefinition(loader.loadSync(files, options));

const metadata = new grpc.Metadata();
const clients = new Map();

/** Calls a unary method of a service. */
function call(Service, method, request) {
  if (!clients.has(Service)) clients.set(Service, new Service(address, grpc.credentials.createInsecure()));
  const client = clients.get(Service);
  return new Promise((resolve, reject) => {
    const deadline = Date.now() + 10_000;
    client[method](request, metadata, { deadline }, (error, answer) => (error ? reject(error) : resolve(answer)));
  });
}

/** A moment as a google.protobuf.Timestamp. */
const at = (time) => ({ seconds: Date.parse(time) / 1000, nanos: 0 });

// Log in.
const { AuthService } = flightline.auth.v1;
const token = await call(AuthService, "CreateToken", { username: "admin", password: process.env.PASSWORD });
metadata.set("authorization", `Bearer ${token.access}`);

// A pump, and a rule for its bearing.
const { EquipmentService } = flightline.equipment.v1;
const pump = await call(EquipmentService, "CreateEquipment", { equipment: { name: "Pump 7", type: "pump" } });
const { AlertService, RuleService, TelemetryService } = flightline.telemetry.v1;
await call(RuleService, "CreateRule", {
  rule: {
    name: "Bearing too hot",
    equipment_id: pump.id,
    metric: "temperature",
    condition: "ABOVE",
    threshold: 90,
    deadband: 5,
    open_task: true,
  },
});

// Readings: the second is too hot.
const reading = (time, temperature) => ({ equipment_id: pump.id, recorded_at: at(time), metrics: { temperature } });
const batch = await call(TelemetryService, "BatchCreateReadings", {
  readings: [reading("2026-01-02T10:00:00Z", 71.2), reading("2026-01-02T10:01:00Z", 95.5)],
});
assert.equal(batch.accepted, 2);

// The alert has raised, and opens one task a moment later.
const { MaintenanceService, TaskService } = flightline.maintenance.v1;
let task;
while (!(task = (await call(TaskService, "ListTasks", { equipment_id: pump.id })).tasks?.[0])) await setTimeout(100);

// Claim it and record the work, which completes the task. A second record is refused.
await call(TaskService, "ClaimTask", { id: task.id });
const record = { task_id: task.id, work_done: "Greased the bearing." };
await call(MaintenanceService, "RecordMaintenance", { record });
await assert.rejects(call(MaintenanceService, "RecordMaintenance", { record }), { code: grpc.status.FAILED_PRECONDITION });

// The bearing cools down, and the alert clears.
await call(TelemetryService, "CreateReading", { reading: reading("2026-01-02T10:30:00Z", 70) });
const { status } = await call(TaskService, "GetTask", { id: task.id });
const { alerts } = await call(AlertService, "ListAlerts", { equipment_id: pump.id });
console.log(status, alerts[0].state);
for (const client of clients.values()) client.close();
