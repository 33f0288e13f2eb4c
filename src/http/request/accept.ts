// The Accept header, as far as it chooses the format of an output.

/**
 * The one content type that the client asks for, without parameters: the first with the highest
 * weight. Null where it states none, or a range of them (any, text/any) is as welcome: the
 * maker of the output then says what suits it.
 */
export function readAccept(header: string | undefined): string | null {
  if (header === undefined) return null;
  const ranges = header.split(',').map((text) => {
    const [type = '', ...parameters] = text.split(';').map((part) => part.trim().toLowerCase());
    const weight = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2);
    return { type, weight: weight === undefined ? 1 : Number(weight) };
  });
  const wanted = ranges.filter(({ type, weight }) => type !== '' && weight > 0);
  const heaviest = Math.max(...wanted.map(({ weight }) => weight));
  const best = wanted.filter(({ weight }) => weight === heaviest);
  return best.length === 0 || best.some(({ type }) => type.endsWith('/*')) ? null : best[0]!.type;
}
