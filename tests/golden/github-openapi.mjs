// Takes from GitHub's own OpenAPI description what Aura uses of it, for `tests/forge`:
//   AURA_TEST_HOSTS=1 cargo test --test forge githubs_own   # installs it, and says whether they are the same
//   (cd .agents/openapi && node ../../tests/golden/github-openapi.mjs > ../../tests/golden/github-openapi.json)
// The description is MIT, Copyright (c) 2020 Octokit contributors.
import { createRequire } from 'node:module';
const require = createRequire(process.cwd() + '/');
const all = require('@octokit/openapi/generated/api.github.com.deref.json');
const used = [
  ['get', '/repos/{owner}/{repo}'],
  ['get', '/repos/{owner}/{repo}/pulls'],
  ['post', '/repos/{owner}/{repo}/pulls'],
  ['get', '/repos/{owner}/{repo}/pulls/{pull_number}'],
  ['patch', '/repos/{owner}/{repo}/pulls/{pull_number}'],
  ['post', '/repos/{owner}/{repo}/pulls/{pull_number}/requested_reviewers'],
  ['post', '/repos/{owner}/{repo}/issues/{issue_number}/labels'],
  ['get', '/repos/{owner}/{repo}/issues/{issue_number}'],
];
const kept = ['type', 'properties', 'required', 'items', 'oneOf', 'anyOf', 'enum', 'minItems', 'minimum', 'maximum', 'nullable'];
const slim = (value, inside) => {
  if (Array.isArray(value)) return value.map((item) => slim(item));
  if (value === null || typeof value !== 'object') return value;
  const keys = Object.keys(value).filter((key) => inside === 'properties' || kept.includes(key));
  return Object.fromEntries(keys.map((key) => [key, slim(value[key], inside === 'properties' ? '' : key)]));
};
const names = (schema) => (schema?.items ? names(schema.items) : Object.keys(schema?.properties ?? {}));
const operations = used.map(([method, path]) => {
  const operation = all.paths[path][method];
  const [status] = Object.keys(operation.responses).filter((code) => code.startsWith('2'));
  return {
    method: method.toUpperCase(),
    path,
    parameters: operation.parameters.map(({ name, in: place, required, schema }) => ({ name, in: place, required: !!required, schema: slim(schema) })),
    body: slim(operation.requestBody?.content['application/json'].schema) ?? null,
    status: Number(status),
    answer: names(operation.responses[status].content?.['application/json'].schema),
  };
});
console.log(`{"source": "@octokit/openapi 23.0.2, api.github.com", "operations": [\n${operations.map((o) => JSON.stringify(o)).join(',\n')}\n]}`);
