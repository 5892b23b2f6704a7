/** Every table of functions; importing it fills `torchFunctions`, `functionalFunctions` and `tensorMethods`. */
import "./attention";
import "./creation";
import "./elementwise";
import "./gathering";
import "./images";
import "./joining";
import "./losses";
import "./neural";
import "./normalization";
import "./padding";
import "./products";
import "./reductions";
import "./scatter";
import "./selection";
import "./shape";
import "./windows";
