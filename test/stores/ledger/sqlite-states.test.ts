import { describeCombinations } from './combinations.ts';
import { describeCorners } from './corners.ts';
import { SQLITE } from './drivers.ts';
import { describeInterleavings } from './interleavings.ts';
import { describeLimits } from './limits.ts';

describeCombinations(SQLITE);
describeCorners(SQLITE);
describeInterleavings(SQLITE);
describeLimits(SQLITE);
