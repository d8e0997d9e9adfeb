# @summary Puts other places, users and names into a shipped file's text.
#
# @param text
#   The text.
# @param places
#   What stands there, and what is to stand there instead.
function farmhand::place(String $text, Hash[String, String] $places) >> String {
  $places.reduce($text) |String $done, Tuple $each| { regsubst($done, $each[0], $each[1], 'G') }
}
