import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { eigen, type Shape, shapeOf, type SymmetricMatrix3, type Vector3 } from './shape.ts';

/**
 * Turned and shifted, so that no axis is favoured: a shape does not depend on where a body lies.
 */
function moved(points: readonly Vector3[]): Vector3[] {
  const [c, s] = [Math.cos(0.7), Math.sin(0.7)];
  return points.map(([x, y, z]) => {
    const [x1, y1] = [c * x - s * y, s * x + c * y];
    return [x1 + 3, c * y1 - s * z - 5, s * y1 + c * z + 11];
  });
}

function bodyOfEqual(points: readonly Vector3[], mass = 12): Shape {
  const shape = shapeOf({ points: moved(points), masses: points.map(() => mass) });
  if (shape === null) throw new Error('No shape.');
  return shape;
}

describe('the shape of bodies that can be worked out by hand', () => {
  test('two masses are a rod, with reduced mass times distance squared as its only moment', () => {
    const shape = shapeOf({
      points: moved([
        [0, 0, 0],
        [1.128, 0, 0],
      ]),
      masses: [12.011, 15.999],
    });
    const moment = ((12.011 * 15.999) / 28.01) * 1.128 ** 2;
    expect(shape?.pmi3).toBeCloseTo(moment, 9);
    expect(shape?.pmi2).toBeCloseTo(moment, 9);
    expect(shape?.pmi1).toBeCloseTo(0, 9);
    expect(shape?.npr1).toBeCloseTo(0, 9);
    expect(shape?.npr2).toBeCloseTo(1, 9);
    expect(shape?.asphericity).toBeCloseTo(1, 9);
    expect(shape?.eccentricity).toBeCloseTo(1, 9);
    expect(shape?.inertial_shape_factor).toBe(0);
    expect(shape?.spherocity).toBeCloseTo(0, 9);
    expect(shape?.pbf).toBe(0);
  });

  test('a ring is a disc: half the moment in its plane, a quarter of asphericity, nothing out of its plane', () => {
    const ring = Array.from({ length: 6 }, (_, k): Vector3 => [
      1.4 * Math.cos((k * Math.PI) / 3),
      1.4 * Math.sin((k * Math.PI) / 3),
      0,
    ]);
    const shape = bodyOfEqual(ring);
    expect(shape.radius_of_gyration).toBeCloseTo(1.4, 9);
    expect(shape.pmi3).toBeCloseTo(6 * 12 * 1.4 ** 2, 9);
    expect(shape.npr1).toBeCloseTo(0.5, 9);
    expect(shape.npr2).toBeCloseTo(0.5, 9);
    expect(shape.asphericity).toBeCloseTo(0.25, 9);
    expect(shape.eccentricity).toBeCloseTo(Math.sqrt(0.75), 9);
    expect(shape.inertial_shape_factor).toBeCloseTo(1 / shape.pmi3, 9);
    expect(shape.spherocity).toBeCloseTo(0, 9);
    expect(shape.pbf).toBeCloseTo(0, 9);
  });

  test.each<[string, Vector3[]]>([
    ['a cube', [-1, 1].flatMap((x) => [-1, 1].flatMap((y) => [-1, 1].map((z): Vector3 => [x, y, z])))],
    [
      'an octahedron',
      [
        [2, 0, 0],
        [-2, 0, 0],
        [0, 2, 0],
        [0, -2, 0],
        [0, 0, 2],
        [0, 0, -2],
      ],
    ],
  ])('%s has the moments of a sphere', (_, points) => {
    const shape = bodyOfEqual(points);
    expect(shape.npr1).toBeCloseTo(1, 9);
    expect(shape.npr2).toBeCloseTo(1, 9);
    expect(shape.asphericity).toBeCloseTo(0, 9);
    expect(shape.eccentricity).toBeCloseTo(0, 6);
    expect(shape.spherocity).toBeCloseTo(1, 9);
    expect(shape.pbf).toBeGreaterThan(0.5);
  });

  test('two wide sheets lie half their gap from the plane of best fit, with atoms of any weight', () => {
    const sheet = (z: number): Vector3[] => [
      [-9, -7, z],
      [9, -7, z],
      [-9, 7, z],
      [9, 7, z],
    ];
    const points = [...sheet(-0.8), ...sheet(0.8)];
    expect(bodyOfEqual(points).pbf).toBeCloseTo(0.8, 9);
    expect(shapeOf({ points, masses: [1, 1, 1, 1, 200, 200, 200, 200] })?.pbf).toBeCloseTo(0.8, 9);
  });

  test('a single point has no shape, and neither have none or two in one place', () => {
    expect(shapeOf({ points: [[1, 2, 3]], masses: [12] })).toBeNull();
    expect(
      shapeOf({
        points: [
          [1, 2, 3],
          [1, 2, 3],
        ],
        masses: [12, 12],
      }),
    ).toBeNull();
    expect(shapeOf({ points: [], masses: [] })).toBeNull();
  });

  test('the eigenpairs of any symmetric matrix rebuild it, in ascending order', () => {
    const cell = fc.double({ min: -1e3, max: 1e3, noNaN: true });
    fc.assert(
      fc.property(fc.record({ xx: cell, yy: cell, zz: cell, xy: cell, xz: cell, yz: cell }), (matrix) => {
        const pairs = eigen(matrix);
        const rebuilt = (a: 0 | 1 | 2, b: 0 | 1 | 2): number =>
          pairs.reduce((total, { value, vector }) => total + value * vector[a] * vector[b], 0);
        const all: SymmetricMatrix3 = {
          xx: rebuilt(0, 0),
          yy: rebuilt(1, 1),
          zz: rebuilt(2, 2),
          xy: rebuilt(0, 1),
          xz: rebuilt(0, 2),
          yz: rebuilt(1, 2),
        };
        for (const name of ['xx', 'yy', 'zz', 'xy', 'xz', 'yz'] as const)
          expect(all[name]).toBeCloseTo(matrix[name], 8);
        expect(pairs[0].value).toBeLessThanOrEqual(pairs[1].value);
        expect(pairs[1].value).toBeLessThanOrEqual(pairs[2].value);
      }),
    );
  });
});
