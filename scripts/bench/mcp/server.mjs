// One tool that answers a constant, on the TypeScript SDK: something to measure beside Aura.
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";

const server = new McpServer({ name: "constant", version: "1.0.0" });
server.registerTool("constant", { description: "Answer a constant." }, async () => ({ content: [{ type: "text", text: "constant" }] }));
await server.connect(new StdioServerTransport());
