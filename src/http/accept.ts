// The Accept header, as far as it chooses the format of an output.

/**
 * The one content type that the client asks for, without parameters; null where it states none or takes anything.
 * Of several, the first with the highest weight counts.
 */
export function readAccept(header: string | undefined): string | null {
  const ranges = (header ?? '').split(',').map((text) => {
    const [type = '', ...parameters] = text.split(';').map((part) => part.trim().toLowerCase());
    const weight = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2);
    return { type, weight: weight === undefined ? 1 : Number(weight) };
  });
  const wanted = ranges.filter(({ type, weight }) => type !== '' && weight > 0);
  if (wanted.length === 0 || wanted.some(({ type }) => type === '*/*')) return null;
  return wanted.toSorted((a, b) => b.weight - a.weight)[0]!.type;
}
