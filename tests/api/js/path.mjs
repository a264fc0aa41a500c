// The whole path of a user of the AWS SDK for JavaScript v3, against the endpoint in AWS_ENDPOINT_URL.
// Reads a JSON object from standard input (see test_movielens.py) and prints one.
import { readFileSync } from "node:fs";
import * as control from "@aws-sdk/client-personalize";
import * as events from "@aws-sdk/client-personalize-events";
import * as runtime from "@aws-sdk/client-personalize-runtime";

const given = JSON.parse(readFileSync(0, "utf8"));
const common = { maxAttempts: 1 };
const personalize = new control.PersonalizeClient(common);
const personalizeRuntime = new runtime.PersonalizeRuntimeClient(common);
const personalizeEvents = new events.PersonalizeEventsClient(common);
const ask = (Command, input) => personalize.send(new Command(input));
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

async function active(describe) {
  for (let tries = 0; tries < 3000; tries++) {
    const { status, failureReason } = await describe();
    if (status === "ACTIVE") return;
    if (status !== "CREATE PENDING" && status !== "CREATE IN_PROGRESS") throw new Error(`${status}: ${failureReason}`);
    await sleep(50);
  }
  throw new Error("it did not become ACTIVE");
}

async function importAll(datasetGroupArn) {
  for (const [datasetType, schema] of Object.entries(given.schemas)) {
    const name = `${given.name}-${datasetType}`;
    const { schemaArn } = await ask(control.CreateSchemaCommand, { name, schema });
    const { datasetArn } = await ask(control.CreateDatasetCommand, { name, schemaArn, datasetGroupArn, datasetType });
    const { datasetImportJobArn } = await ask(control.CreateDatasetImportJobCommand, {
      jobName: name,
      datasetArn,
      dataSource: { dataLocation: given.files[datasetType] },
      roleArn: "arn:aws:iam::000000000000:role/import",
      importMode: "FULL",
    });
    await active(async () => (await ask(control.DescribeDatasetImportJobCommand, { datasetImportJobArn })).datasetImportJob);
  }
}

async function train(datasetGroupArn) {
  const { solutionArn } = await ask(control.CreateSolutionCommand, {
    name: given.name,
    datasetGroupArn,
    recipeArn: "arn:aws:personalize:::recipe/aws-user-personalization",
    performAutoTraining: false,
  });
  const { solutionVersionArn } = await ask(control.CreateSolutionVersionCommand, { solutionArn });
  await active(async () => (await ask(control.DescribeSolutionVersionCommand, { solutionVersionArn })).solutionVersion);
  return solutionVersionArn;
}

// The name of the error, with its HTTP status when that is told apart, or "accepted".
async function refusal(call, withStatus) {
  try {
    await call();
    return "accepted";
  } catch (error) {
    return withStatus ? `${error.name} ${error.$metadata.httpStatusCode}` : error.name;
  }
}

const list = (settings) =>
  refusal(() => new control.PersonalizeClient({ ...common, ...settings }).send(new control.ListSchemasCommand({})));
const accessKeyId = process.env.AWS_ACCESS_KEY_ID;
const secretAccessKey = process.env.AWS_SECRET_ACCESS_KEY;

const { datasetGroupArn } = await ask(control.CreateDatasetGroupCommand, { name: given.name });
const { datasetGroup } = await ask(control.DescribeDatasetGroupCommand, { datasetGroupArn });
await importAll(datasetGroupArn);
const solutionVersionArn = await train(datasetGroupArn);
const { metrics } = await ask(control.GetSolutionMetricsCommand, { solutionVersionArn });
const { campaignArn } = await ask(control.CreateCampaignCommand, {
  name: given.name,
  solutionVersionArn,
  minProvisionedTPS: 15,
});
await active(async () => (await ask(control.DescribeCampaignCommand, { campaignArn })).campaign);
const { campaign } = await ask(control.DescribeCampaignCommand, { campaignArn });
const { trackingId } = await ask(control.CreateEventTrackerCommand, { name: given.name, datasetGroupArn });
const { filterArn } = await ask(control.CreateFilterCommand, {
  name: given.name,
  datasetGroupArn,
  filterExpression: given.filter,
});
await active(async () => (await ask(control.DescribeFilterCommand, { filterArn })).filter);

async function recommend(more = {}) {
  const input = { campaignArn, userId: given.user, numResults: 10, ...more };
  const { itemList } = await personalizeRuntime.send(new runtime.GetRecommendationsCommand(input));
  return itemList.map((item) => item.itemId);
}

const before = await recommend();
const eventList = given.watched.map((itemId, n) => ({
  eventType: "watch",
  itemId,
  sentAt: new Date(Date.now() + n * 1000),
  properties: JSON.stringify({ source: "test" }),
}));
await personalizeEvents.send(
  new events.PutEventsCommand({ trackingId, userId: given.user, sessionId: "evening", eventList }),
);
const after = await recommend();
const filtered = await recommend({ filterArn, filterValues: given.filterValues });
const absent = (kind) => datasetGroupArn.replace(/dataset-group\/.*/, `${kind}/absent`);

console.log(
  JSON.stringify({
    before,
    after,
    filtered,
    metrics,
    minProvisionedTPS: campaign.minProvisionedTPS,
    createdAt: datasetGroup.creationDateTime.toISOString(),
    refused: {
      "wrong secret": await list({ credentials: { accessKeyId, secretAccessKey: "x".repeat(40) } }),
      "unknown key": await list({ credentials: { accessKeyId: "ODNOSUCHKEY000000000", secretAccessKey } }),
      "slow clock": await list({ systemClockOffset: -16 * 60 * 1000 }),
      "fast clock": await list({ systemClockOffset: 16 * 60 * 1000 }),
      "absent group": await refusal(() =>
        ask(control.DescribeDatasetGroupCommand, { datasetGroupArn: absent("dataset-group") }),
      ),
      "absent campaign": await refusal(
        () =>
          personalizeRuntime.send(
            new runtime.GetRecommendationsCommand({ campaignArn: absent("campaign"), userId: given.user }),
          ),
        true,
      ),
      "unknown tracker": await refusal(
        () =>
          personalizeEvents.send(
            new events.PutEventsCommand({
              trackingId: "00000000-0000-4000-8000-000000000000",
              sessionId: "s",
              eventList: eventList.slice(0, 1),
            }),
          ),
        true,
      ),
    },
  }),
);
