// claimcheck keys

import { Command, InvalidArgumentError, Option } from 'commander';
import { isUsable } from '../../http/access/authenticator.ts';
import { isKeyId, newKey } from '../../http/access/key-format.ts';
import { systemClock } from '../../system/clock.ts';
import { type Scope, SCOPES, TENANT_NAME } from '../../domain/access.ts';
import { ENDPOINT_NAME } from '../../domain/endpoint.ts';
import { DEFAULT_TENANT } from '../../domain/ids.ts';
import { after, type Duration, parseDuration, toRfc3339 } from '../../domain/time.ts';
import type { KeyRecord } from '../../stores/vault/vault.ts';
import { asCalled } from '../called-as.ts';
import { UsageError } from '../failure.ts';
import { columns, jsonText, plainLine, write } from '../text/text.ts';
import { knownText, withVault } from '../with-vault.ts';

/** What a key is good for where nobody says: to hand work in, and to see its results. */
const DEFAULT_SCOPES: readonly Scope[] = ['invoke', 'read'];
/** Longest name of a key: it stands in a line of a list. */
const NAME_LENGTH_MAX = 100;

interface StoreOptions {
  readonly config?: string;
  readonly data?: string;
  readonly json?: boolean;
}

interface CreateOptions extends StoreOptions {
  readonly name: string;
  readonly scope?: readonly Scope[];
  readonly endpoint?: readonly string[];
  readonly tenant?: string;
  readonly expires?: Duration;
}

/**
 * The commands about API keys. They open the store themselves, whether a server runs or not: anyone
 * who can read it is the operator.
 */
export function keysCommand(): Command {
  return new Command('keys')
    .summary('make, list and revoke API keys')
    .description('API keys of the servers that use a store. Once there is one, they ask for keys everywhere.')
    .addCommand(createCommand())
    .addCommand(
      withStore(new Command('list'))
        .summary('list keys')
        .description('Lists every key that was ever made, and what it is good for. The keys themselves are not kept.')
        .addHelpText('after', '\nExample:\n  $ claimcheck keys list --data .claimcheck')
        .action(list),
    )
    .addCommand(
      withStore(new Command('revoke'))
        .summary('revoke a key')
        .description(
          'Revokes a key for good: within 5 seconds no server takes it any more. Runs that it handed in go on.',
        )
        .argument('<keyId>', 'the key, as `claimcheck keys list` names it', readKeyId)
        .addHelpText('after', '\nExample:\n  $ claimcheck keys revoke 7hk2m9qp4w0x')
        .action(revoke),
    );
}

function createCommand(): Command {
  return withStore(new Command('create'))
    .summary('make a key')
    .description(
      'Makes a key and prints it, alone and this once, to standard output. What it is good for goes to standard error.',
    )
    .requiredOption('--name <name>', 'what it is for', readName)
    .addOption(
      new Option('--scope <scope>', `what it is good for, may be repeated (default: ${DEFAULT_SCOPES.join(' and ')})`)
        .choices([...SCOPES])
        .argParser((text: string, before?: readonly Scope[]) => [...(before ?? []), readScope(text)]),
    )
    .option(
      '--endpoint <name>',
      'bind it to an endpoint, may be repeated (default: all)',
      (text: string, before?: readonly string[]) => [...(before ?? []), readEndpointName(text)],
    )
    .option('--tenant <name>', `whose runs it makes and sees (default: ${DEFAULT_TENANT})`, readTenant)
    .option('--expires <duration>', "how long it is taken: '90d', '12h' (default: until it is revoked)", readExpiry)
    .addHelpText(
      'after',
      '\nExample:\n  $ claimcheck keys create --name ci --expires 90d\n  $ claimcheck keys create --name ops --scope read --scope manage > ops.key',
    )
    .action(create);
}

function withStore(command: Command): Command {
  return command
    .option('-c, --config <file>', 'configuration file that says where the store is')
    .option('-d, --data <folder>', 'folder of runs and payloads, needs no configuration')
    .option('--json', 'print JSON for a program');
}

async function create(options: CreateOptions): Promise<void> {
  const { name, scope, endpoint = null, tenant = DEFAULT_TENANT, expires } = options;
  const { key, keyId, digest } = newKey();
  const createdAt = systemClock.now();
  const record: KeyRecord = {
    keyId,
    digest,
    name,
    tenant,
    scopes: SCOPES.filter((one) => (scope ?? DEFAULT_SCOPES).includes(one)),
    endpoints: endpoint === null ? null : [...new Set(endpoint)],
    createdAt,
    expiresAt: expires === undefined ? null : after(createdAt, expires),
    revokedAt: null,
  };
  const known = await withVault(options, async (vault, knownEndpoints) => {
    await vault.addKey(record);
    return knownEndpoints();
  });
  await write(process.stdout, options.json === true ? jsonText({ key, ...keyBody(record) }) : `${key}\n`);
  await write(process.stderr, createdText(record, known));
}

function createdText(
  { keyId, name, tenant, scopes, endpoints, expiresAt }: KeyRecord,
  known: readonly string[],
): string {
  const where = endpoints === null ? 'all endpoints' : endpoints.join(', ');
  const until = expiresAt === null ? 'until it is revoked' : `until ${toRfc3339(expiresAt)}`;
  const unknown = (endpoints ?? []).filter((endpoint) => !known.includes(endpoint));
  return [
    `Key ${keyId} (${plainLine(name)}): ${scopes.join(' and ')} at ${where}, for tenant ${tenant}, ${until}.`,
    'It is not shown again. The command line and the client take it from CLAIMCHECK_API_KEY; anything else sends it as',
    '"Authorization: Bearer <key>". Servers ask for keys from now on, within 5 seconds.',
    ...(unknown.length === 0 ? [] : [`No endpoint is called ${unknown.join(' or ')} so far: ${knownText(known)}.`]),
    '',
  ].join('\n');
}

async function list(options: StoreOptions): Promise<void> {
  const keys = await withVault(options, (vault) => vault.keys());
  await write(process.stdout, options.json === true ? jsonText(keys.map(keyBody)) : keyTable(keys));
}

function keyTable(keys: readonly KeyRecord[]): string {
  if (keys.length === 0) return asCalled('No key was made yet. Make one with: claimcheck keys create --name <name>\n');
  return columns([
    ['KEY', 'STATE', 'TENANT', 'SCOPES', 'ENDPOINTS', 'CREATED', 'EXPIRES', 'NAME'],
    ...keys.map((key) => [
      key.keyId,
      stateOf(key),
      key.tenant,
      key.scopes.join(','),
      key.endpoints === null ? 'all' : key.endpoints.join(','),
      toRfc3339(key.createdAt),
      key.expiresAt === null ? 'never' : toRfc3339(key.expiresAt),
      key.name,
    ]),
  ]);
}

async function revoke(keyId: string, options: StoreOptions): Promise<void> {
  const result = await withVault(options, (vault) => vault.revokeKey(keyId, systemClock.now()));
  if (result === 'unknown')
    throw new Error(`There is no key ${keyId} here. claimcheck keys list shows those there are.`);
  const text =
    result === 'revoked'
      ? `Revoked key ${keyId}. Within 5 seconds no server takes it any more.\n`
      : `Key ${keyId} was revoked before.\n`;
  await write(process.stdout, options.json === true ? jsonText({ key_id: keyId, result }) : text);
}

/** A key as it is printed for a program; never with its digest. */
function keyBody(key: KeyRecord) {
  const { keyId, name, tenant, scopes, endpoints, createdAt, expiresAt, revokedAt } = key;
  return {
    key_id: keyId,
    name,
    state: stateOf(key),
    tenant,
    scopes,
    endpoints,
    created_at: toRfc3339(createdAt),
    expires_at: expiresAt === null ? null : toRfc3339(expiresAt),
    revoked_at: revokedAt === null ? null : toRfc3339(revokedAt),
  };
}

function stateOf(key: KeyRecord): 'usable' | 'revoked' | 'expired' {
  if (key.revokedAt !== null) return 'revoked';
  return isUsable(key, systemClock.now()) ? 'usable' : 'expired';
}

function readName(text: string): string {
  const name = text.trim();
  if (name !== '' && name.length <= NAME_LENGTH_MAX && plainLine(name) === name) return name;
  throw new InvalidArgumentError(`It must be a line of 1 to ${NAME_LENGTH_MAX} characters.`);
}

function readScope(text: string): Scope {
  const scope = SCOPES.find((one) => one === text);
  if (scope !== undefined) return scope;
  throw new InvalidArgumentError(`It must be one of ${SCOPES.join(', ')}.`);
}

function readEndpointName(text: string): string {
  if (ENDPOINT_NAME.test(text)) return text;
  throw new InvalidArgumentError('It must be the name of an endpoint: lower-case letters, digits and single hyphens.');
}

function readTenant(text: string): string {
  if (TENANT_NAME.test(text)) return text;
  throw new InvalidArgumentError('It must have 1 to 64 letters, digits, dots, hyphens and underscores.');
}

function readExpiry(text: string): Duration {
  const duration = parseDuration(text);
  if (duration !== null && duration > 0) return duration;
  throw new InvalidArgumentError("It must be a duration like '90d' or '12h', and at most '36500d'.");
}

/**
 * A whole key is refused without a look: it would be in the history of the shell, and in the list
 * of processes.
 */
function readKeyId(text: string): string {
  if (isKeyId(text)) return text;
  if (text.startsWith('cck_'))
    throw new UsageError('That is a key, and not its id. The id is the part between the underscores.');
  throw new InvalidArgumentError('It must be the id of a key, as claimcheck keys list shows it.');
}
