// Shape of a rigid body of point masses: principal moments and the descriptors that are made of
// them. Pure arithmetic, no chemistry.
//
// Definitions and weighting are those of RDKit's Descriptors3D
// (https://www.rdkit.org/docs/source/rdkit.Chem.Descriptors3D.html): masses count everywhere except
// in the spherocity index and the plane of best fit. Each formula names its paper where it is used:
//   [TC]  R. Todeschini, V. Consonni, "Descriptors from Molecular Geometry", Handbook of Chemoinformatics (2003), doi 10.1002/9783527618279.ch37
//   [SS]  W. H. B. Sauer, M. K. Schwarz, J. Chem. Inf. Comput. Sci. 43 (2003) 987, doi 10.1021/ci025599w
//   [FBB] N. C. Firth, N. Brown, J. Blagg, J. Chem. Inf. Model. 52 (2012) 2516, doi 10.1021/ci300293f

/** A place or a direction in space; lengths in ångström. */
export type Vector3 = readonly [x: number, y: number, z: number];

/**
 * Points with their masses: `masses[i]` belongs to `points[i]`. Ångström and dalton for a molecule,
 * though any units hold.
 */
export interface Body {
  readonly points: readonly Vector3[];
  readonly masses: readonly number[];
}

/** A symmetric 3×3 matrix: its diagonal and the three values above it. */
export interface SymmetricMatrix3 {
  readonly xx: number;
  readonly yy: number;
  readonly zz: number;
  readonly xy: number;
  readonly xz: number;
  readonly yz: number;
}

/** One eigenvalue with its eigenvector, of length 1. */
export interface EigenPair {
  readonly value: number;
  readonly vector: Vector3;
}

/**
 * The descriptors of one body. Moments in mass × length² (Da·Å²), lengths in Å, ratios without
 * unit.
 */
export interface Shape {
  /** Root of the mass-weighted mean square distance from the centre of mass, Å. */
  readonly radius_of_gyration: number;
  /** Principal moments of inertia, smallest first, Da·Å². */
  readonly pmi1: number;
  readonly pmi2: number;
  readonly pmi3: number;
  /** pmi1/pmi3 and pmi2/pmi3: (0, 1) is a rod, (½, ½) a disc, (1, 1) a sphere. */
  readonly npr1: number;
  readonly npr2: number;
  /** 0 for a sphere, ¼ for a flat ring, 1 for a rod. */
  readonly asphericity: number;
  /** 0 for a sphere, 1 for a rod. */
  readonly eccentricity: number;
  /** pmi2/(pmi1·pmi3), 1/(Da·Å²); 0 by convention for a linear body, where it has no bound. */
  readonly inertial_shape_factor: number;
  /** 0 for a flat or linear body, 1 for a sphere; masses do not count. */
  readonly spherocity: number;
  /**
   * Mean distance of the points from their plane of best fit, Å; masses do not count. 0 for fewer
   * than four points.
   */
  readonly pbf: number;
}

/** The names of `Shape`, in the order in which tables show them. */
export const SHAPE_NAMES: readonly (keyof Shape)[] = [
  'radius_of_gyration',
  'pmi1',
  'pmi2',
  'pmi3',
  'npr1',
  'npr2',
  'asphericity',
  'eccentricity',
  'inertial_shape_factor',
  'spherocity',
  'pbf',
];

/** Below this a moment (Da·Å²) or a spread (Å²) counts as zero, as in RDKit's PMI.cpp. */
const ZERO_MOMENT = 1e-4;

/**
 * Sweeps of the eigen-solver before it stops; Jacobi's method needs about six for three dimensions,
 * so this is a guard alone.
 */
const SWEEPS_MAX = 50;

/**
 * Computes all descriptors of a body.
 *
 * A body without any extent (no points, one point, all in one place) has no shape: null.
 */
export function shapeOf(body: Body): Shape | null {
  const { a, b, c } = principalSpreads(body);
  // The mass-weighted spread and the inertia tensor have the same axes, and Ixx = M·(⟨y²⟩ + ⟨z²⟩):
  // one solution gives both.
  const mass = sum(body.masses);
  const pmi1 = mass * (a + b);
  const pmi2 = mass * (a + c);
  const pmi3 = mass * (b + c);
  // Written so that NaN, which is what no points at all give, counts as no extent.
  if (!(pmi3 >= ZERO_MOMENT)) return null;

  return {
    radius_of_gyration: Math.sqrt(a + b + c), // [TC]
    pmi1,
    pmi2,
    pmi3,
    npr1: pmi1 / pmi3, // [SS]
    npr2: pmi2 / pmi3, // [SS]
    asphericity: (0.5 * ((a - b) ** 2 + (a - c) ** 2 + (b - c) ** 2)) / (a + b + c) ** 2, // [TC]
    eccentricity: Math.sqrt(pmi3 * pmi3 - pmi1 * pmi1) / pmi3, // [TC]
    inertial_shape_factor: pmi1 < ZERO_MOMENT ? 0 : pmi2 / (pmi1 * pmi3), // [TC]
    ...unweightedShapeOf(body.points),
  };
}

/** The two descriptors in which every point counts the same. */
function unweightedShapeOf(points: readonly Vector3[]): Pick<Shape, 'spherocity' | 'pbf'> {
  const equal = { points, masses: points.map(() => 1) };
  const { a, b, c, shortest } = principalSpreads(equal);
  return {
    spherocity: c < ZERO_MOMENT ? 0 : (3 * a) / (a + b + c), // [TC]
    pbf: points.length < 4 ? 0 : meanDistanceFromPlane(points, centreOf(equal), shortest), // [FBB]
  };
}

/**
 * Mean square extent along the three principal axes, Å², a ≤ b ≤ c, and the direction of the
 * shortest: the normal of the best plane.
 */
function principalSpreads(body: Body): { a: number; b: number; c: number; shortest: Vector3 } {
  const [first, second, third] = eigen(gyrationTensor(body));
  // A mean square is never negative, but the eigenvalue of a flat body can come out a rounding
  // below zero.
  return {
    a: Math.max(0, first.value),
    b: Math.max(0, second.value),
    c: Math.max(0, third.value),
    shortest: first.vector,
  };
}

/**
 * Mean distance of points from the plane through `centre` whose normal is `normal`, of length 1.
 */
function meanDistanceFromPlane(points: readonly Vector3[], centre: Vector3, normal: Vector3): number {
  const distances = points.map((point) => Math.abs(dot(minus(point, centre), normal)));
  return sum(distances) / points.length;
}

/** The centre of mass of a body. */
export function centreOf(body: Body): Vector3 {
  const mass = sum(body.masses);
  const along = (axis: 0 | 1 | 2): number => weightedSum(body, (point) => point[axis]) / mass;
  return [along(0), along(1), along(2)];
}

/** Mass-weighted mean of x², xy, … about the centre of mass, Å². */
function gyrationTensor(body: Body): SymmetricMatrix3 {
  const mass = sum(body.masses);
  const centre = centreOf(body);
  const mean = (a: 0 | 1 | 2, b: 0 | 1 | 2): number =>
    weightedSum(body, (point) => (point[a] - centre[a]) * (point[b] - centre[b])) / mass;
  return { xx: mean(0, 0), yy: mean(1, 1), zz: mean(2, 2), xy: mean(0, 1), xz: mean(0, 2), yz: mean(1, 2) };
}

/**
 * Eigenvalues and eigenvectors of a symmetric 3×3 matrix, smallest eigenvalue first, by Jacobi's
 * method.
 *
 * Each turn rotates one plane so that its off-diagonal value becomes zero; the turns go round the
 * three planes until what is left off the diagonal is lost in rounding. Chosen over the closed
 * formula because it keeps its precision where eigenvalues are equal or nearly zero, which is where
 * symmetric and flat molecules are.
 * Source: G. H. Golub, C. F. Van Loan, Matrix Computations, 4th ed., §8.5.
 */
export function eigen(matrix: SymmetricMatrix3): readonly [EigenPair, EigenPair, EigenPair] {
  let { xx, yy, zz, xy, xz, yz } = matrix;
  let [vx, vy, vz]: [Vector3, Vector3, Vector3] = [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ];
  const scale = Math.abs(xx) + Math.abs(yy) + Math.abs(zz) + Math.abs(xy) + Math.abs(xz) + Math.abs(yz);
  for (
    let sweep = 0;
    sweep < SWEEPS_MAX && Math.abs(xy) + Math.abs(xz) + Math.abs(yz) > Number.EPSILON * 1e-3 * scale;
    sweep += 1
  ) {
    const inXY = turn(xx, yy, xy);
    ({ first: xx, second: yy } = inXY);
    xy = 0;
    [xz, yz] = rotated(inXY, xz, yz);
    [vx, vy] = rotatedVectors(inXY, vx, vy);

    const inXZ = turn(xx, zz, xz);
    ({ first: xx, second: zz } = inXZ);
    xz = 0;
    [xy, yz] = rotated(inXZ, xy, yz);
    [vx, vz] = rotatedVectors(inXZ, vx, vz);

    const inYZ = turn(yy, zz, yz);
    ({ first: yy, second: zz } = inYZ);
    yz = 0;
    [xy, xz] = rotated(inYZ, xy, xz);
    [vy, vz] = rotatedVectors(inYZ, vy, vz);
  }
  return ascending({ value: xx, vector: vx }, { value: yy, vector: vy }, { value: zz, vector: vz });
}

/** A rotation of one coordinate plane, and the two diagonal values that it leaves. */
interface Turn {
  readonly cosine: number;
  readonly sine: number;
  readonly first: number;
  readonly second: number;
}

/**
 * The rotation that makes `offDiagonal` zero; of the two that do, the one by at most 45°, which is
 * what makes the method converge.
 */
function turn(first: number, second: number, offDiagonal: number): Turn {
  if (offDiagonal === 0) return { cosine: 1, sine: 0, first, second };
  const theta = (second - first) / (2 * offDiagonal);
  const tangent = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.hypot(theta, 1));
  const cosine = 1 / Math.hypot(tangent, 1);
  return {
    cosine,
    sine: tangent * cosine,
    first: first - tangent * offDiagonal,
    second: second + tangent * offDiagonal,
  };
}

function rotated({ cosine, sine }: Turn, a: number, b: number): [number, number] {
  return [cosine * a - sine * b, sine * a + cosine * b];
}

function rotatedVectors(turned: Turn, a: Vector3, b: Vector3): [Vector3, Vector3] {
  const [ax, bx] = rotated(turned, a[0], b[0]);
  const [ay, by] = rotated(turned, a[1], b[1]);
  const [az, bz] = rotated(turned, a[2], b[2]);
  return [
    [ax, ay, az],
    [bx, by, bz],
  ];
}

/** Three pairs in order of their value. */
function ascending(a: EigenPair, b: EigenPair, c: EigenPair): readonly [EigenPair, EigenPair, EigenPair] {
  const [low, high] = a.value <= b.value ? [a, b] : [b, a];
  if (c.value <= low.value) return [c, low, high];
  return c.value <= high.value ? [low, c, high] : [low, high, c];
}

function weightedSum(body: Body, of: (point: Vector3) => number): number {
  return sum(body.points.map((point, index) => (body.masses[index] ?? 0) * of(point)));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function minus(a: Vector3, b: Vector3): Vector3 {
  return [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
}

function dot(a: Vector3, b: Vector3): number {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}
