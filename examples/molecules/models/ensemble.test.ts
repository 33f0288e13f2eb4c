import { describe, expect, test } from 'vitest';
import { averageShape, boltzmannWeights, type Conformer, distinct, energyRange } from './ensemble.ts';
import { type Shape, shapeOf, type Vector3 } from './shape.ts';

function shape(points: readonly Vector3[]): Shape {
  const found = shapeOf({ points, masses: points.map(() => 12) });
  if (found === null) throw new Error('No shape.');
  return found;
}

describe('averaging conformers', () => {
  const rod = shape([
    [0, 0, 0],
    [5, 0, 0],
    [10, 0, 0],
  ]);
  const ball = shape([
    [2, 0, 0],
    [-2, 0, 0],
    [0, 2, 0],
    [0, -2, 0],
    [0, 0, 2],
    [0, 0, -2],
  ]);

  test('one kcal/mol more weighs e^(-1/RT) as much at 25 °C', () => {
    const [low, high] = boltzmannWeights([-3, -2]);
    expect((high ?? 0) / (low ?? 1)).toBeCloseTo(0.185, 3);
    expect((low ?? 0) + (high ?? 0)).toBeCloseTo(1, 12);
  });

  test('energies of any size give finite weights', () => {
    expect(boltzmannWeights([1e6, 1e6 + 1e5])).toEqual([1, 0]);
    expect(boltzmannWeights([-1e6, -1e6])).toEqual([0.5, 0.5]);
  });

  test('without energies all conformers weigh the same and there is no energy range', () => {
    const conformers: Conformer[] = [
      { energy: null, shape: rod },
      { energy: null, shape: ball },
    ];
    expect(averageShape(conformers).npr1).toBeCloseTo((rod.npr1 + ball.npr1) / 2, 12);
    expect(energyRange(conformers)).toBeNull();
  });

  test('one minimum found twice counts once; the same energy in another shape stays', () => {
    const conformers: Conformer[] = [
      { energy: 1, shape: rod },
      { energy: 1.0001, shape: rod },
      { energy: 1, shape: ball },
      { energy: 2, shape: rod },
    ];
    expect(distinct(conformers)).toEqual([conformers[0], conformers[2], conformers[3]]);
    expect(energyRange(distinct(conformers))).toBe(1);
  });
});
