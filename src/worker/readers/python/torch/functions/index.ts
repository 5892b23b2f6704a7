/** Every table of functions; importing it fills `torchFunctions`, `functionalFunctions` and `tensorMethods`. */
import "./creation";
import "./elementwise";
import "./gathering";
import "./joining";
import "./losses";
import "./neural";
import "./products";
import "./reductions";
import "./shape";
