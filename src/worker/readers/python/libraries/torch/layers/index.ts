/** Every table of layers; importing it fills `layerClasses`. */
import "./activation";
import "./containers";
import "./convolution";
import "./linear";
import "./normalization";
import "./patches";
import "./recurrent";
import "./reshaping";
import "./transformer";
import "./vocabularies";
// Goes over all of the above.
import "./representation";
import "./reset";
