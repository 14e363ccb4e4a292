// A story over MCP with the official TypeScript SDK: list, call, and a wait that lasts longer than the client's own limit
// and is kept alive by progress.
//
//     node story.mjs PACKAGES AURA REPOSITORY GO
//
// The story's agent waits for the file GO. Exit status 0 when all holds; stdout is what was learnt, as JSON.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { writeFileSync } from "node:fs";

const [packages, aura, repository, go] = process.argv.slice(2);
const require = createRequire(`${packages}/package.json`);
const { Client } = require("@modelcontextprotocol/sdk/client/index.js");
const { StdioClientTransport } = require("@modelcontextprotocol/sdk/client/stdio.js");

// Shorter than the wait below, longer than the pause between two reports of progress.
const LIMIT_MS = 8000;

const client = new Client({ name: "aura-test", version: "0" });
await client.connect(new StdioClientTransport({ command: aura, args: ["mcp"], env: process.env, stderr: "inherit" }));

const call = async (name, args, options) => {
  const result = await client.callTool({ name, arguments: args }, undefined, options);
  assert.ok(!result.isError, `${name}: ${JSON.stringify(result)}`);
  assert.ok(result.content.some((block) => block.type === "text" && block.text.length > 0), name);
  return result.structuredContent;
};

const { tools } = await client.listTools();
assert.equal(tools.length, 14);
assert.ok(tools.every((tool) => tool.outputSchema?.type === "object"), "the SDK checks answers against these");
const story = await call("create_story", { title: "Over the SDK", repositoryPath: repository, base: "main" });
const about = { storyId: story.id };
const tasks = [{ id: "task-1", title: "Make it", description: "Make task-1.txt." }];
await call("decompose_story", { ...about, tasks });
await call("run_wave", about);

// A refusal reaches the caller as it is: the SDK holds it against the tool's output schema too.
const refused = await client.callTool({ name: "get_story", arguments: { storyId: "nothing" } });
assert.ok(refused.isError && refused.structuredContent.code, JSON.stringify(refused));

const begun = Date.now();
const heard = [];
const onprogress = (progress) => {
  heard.push(progress);
  if (Date.now() - begun > LIMIT_MS) writeFileSync(go, "");
};
let waited;
do {
  const patience = { timeout: LIMIT_MS, resetTimeoutOnProgress: true, onprogress };
  waited = await call("wait_for_wave", { ...about, waitSeconds: 45, untilEnd: true }, patience);
} while (waited.isRunning);
assert.ok(Date.now() - begun > LIMIT_MS, "it waited for longer than its limit");
assert.ok(waited.isComplete, JSON.stringify(waited));
const done = await call("complete_story", { ...about, publish: "merge" });
assert.equal(done.published.how, "merged");
console.log(JSON.stringify({ server: client.getServerVersion().name, progress: heard.length }));
await client.close();
