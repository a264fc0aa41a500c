// Any operation of the AWS SDK for JavaScript v3, by name, against the endpoint in AWS_ENDPOINT_URL.
// Reads one JSON object a line, {"service", "operation", "input"}, and answers each with one line (clients.py).
import { createInterface } from "node:readline";
import * as control from "@aws-sdk/client-personalize";
import * as events from "@aws-sdk/client-personalize-events";
import * as runtime from "@aws-sdk/client-personalize-runtime";

const services = {
  personalize: [control, new control.PersonalizeClient({ maxAttempts: 1 })],
  "personalize-runtime": [runtime, new runtime.PersonalizeRuntimeClient({ maxAttempts: 1 })],
  "personalize-events": [events, new events.PersonalizeEventsClient({ maxAttempts: 1 })],
};
// The SDK takes times as Dates; in the lines they are seconds.
const times = new Set(["sentAt", "timestamp"]);
const revive = (key, value) => (times.has(key) ? new Date(value * 1000) : value);

for await (const line of createInterface({ input: process.stdin })) {
  const { service, operation, input } = JSON.parse(line, revive);
  const [sdk, client] = services[service];
  let answer;
  try {
    const { $metadata, ...output } = await client.send(new sdk[`${operation}Command`](input));
    answer = { output };
  } catch (error) {
    if (!error.$metadata?.httpStatusCode) throw error;
    answer = { error: error.name, message: error.message, status: error.$metadata.httpStatusCode };
  }
  console.log(JSON.stringify(answer));
}
