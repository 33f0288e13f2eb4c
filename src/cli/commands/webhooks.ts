// claimcheck webhooks

import { Command, InvalidArgumentError } from 'commander';
import { systemClock } from '../../system/clock.ts';
import { ENDPOINT_NAME } from '../../domain/endpoint.ts';
import { after, type Duration, hours, parseDuration, toRfc3339 } from '../../domain/time.ts';
import type { SigningSecret } from '../../stores/vault/vault.ts';
import { UsageError } from '../failure.ts';
import { jsonText, write } from '../text/text.ts';
import { knownText, withVault } from '../with-vault.ts';

/** How long receivers have to change over, where nobody says. */
const KEEP_DEFAULT: Duration = hours(24);

interface SecretOptions {
  readonly config?: string;
  readonly data?: string;
  readonly rotate?: boolean;
  readonly keep?: Duration;
  readonly json?: boolean;
}

/**
 * The commands about webhooks. They open the store themselves, whether a server runs or not: anyone
 * who can read it is the operator.
 */
export function webhooksCommand(): Command {
  return new Command('webhooks')
    .summary('show and rotate the secrets that webhooks are signed with')
    .description(
      'Webhooks that tell of the ends of runs. What was told of one run is shown by: claimcheck runs deliveries',
    )
    .addCommand(secretCommand());
}

function secretCommand(): Command {
  return new Command('secret')
    .summary('show the secret of an endpoint, or make a new one')
    .description(
      "Prints the secret that an endpoint's webhooks are signed with, alone, to standard output; one is made where there is none. With --rotate, a new one is made and printed: webhooks are signed with both until the old one expires.",
    )
    .argument('<endpoint>', 'the endpoint', readEndpointName)
    .option('--rotate', 'make a new secret')
    .option('--keep <duration>', "how long the old one is signed with beside it: '24h', '7d' (default: 24h)", readKeep)
    .option('-c, --config <file>', 'configuration file that says where the store is')
    .option('-d, --data <folder>', 'folder of runs and payloads, needs no configuration')
    .option('--json', 'print JSON for a program')
    .addHelpText('after', '\nExample:\n  $ claimcheck webhooks secret smiles-to-3d --rotate --keep 7d')
    .action(secret);
}

async function secret(endpoint: string, options: SecretOptions): Promise<void> {
  const { rotate = false, keep } = options;
  if (keep !== undefined && !rotate)
    throw new UsageError('--keep says how long the old secret goes on; use it with --rotate.');
  const secrets = await secretsOf(endpoint, options);
  const text = options.json === true ? jsonText(secrets.map(body)) : `${secrets[0]!.secret}\n`;
  await write(process.stdout, text);
  for (const { expiresAt } of secrets.slice(1))
    await write(
      process.stderr,
      `Webhooks of ${endpoint} are signed with an older secret as well, until ${toRfc3339(expiresAt!)}.\n`,
    );
}

/** Those that are signed with now, newest first. */
async function secretsOf(
  endpoint: string,
  { rotate = false, keep = KEEP_DEFAULT, ...place }: SecretOptions,
): Promise<readonly SigningSecret[]> {
  return withVault(place, async (vault, knownEndpoints) => {
    const known = await knownEndpoints();
    if (!known.includes(endpoint))
      throw new UsageError(
        `No endpoint is called ${endpoint}: ${knownText(known)}. One that is deployed through a server is known from then on.`,
      );
    const now = systemClock.now();
    if (rotate) await vault.rotateSigningSecret(endpoint, now, after(now, keep));
    return vault.signingSecrets(endpoint, now);
  });
}

const body = ({ endpoint, secret, createdAt, expiresAt }: SigningSecret) => ({
  endpoint,
  secret,
  created_at: toRfc3339(createdAt),
  expires_at: expiresAt === null ? null : toRfc3339(expiresAt),
});

function readEndpointName(text: string): string {
  if (ENDPOINT_NAME.test(text)) return text;
  throw new InvalidArgumentError('It is no name of an endpoint: lower-case letters, digits and single hyphens.');
}

function readKeep(text: string): Duration {
  const duration = parseDuration(text);
  if (duration !== null) return duration;
  throw new InvalidArgumentError("It must be a duration like '24h' or '7d', and at most '36500d'.");
}
