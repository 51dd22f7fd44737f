# Completions of yandex-token for elvish.
use str
set edit:completion:arg-completer[yandex-token] = {|@words|
    var rest = $words[1..]
    var answers = []
    try {
        set answers = [(e:yandex-token completions elvish -- $@rest 2>/dev/null)]
    } catch { }
    if (== (count $answers) 0) {
        nop
    } elif (eq $answers[0] ':files') {
        edit:complete-filename $@words
    } elif (str:has-prefix $answers[0] ':program ') {
        var at = (+ (str:trim-prefix $answers[0] ':program ') 1)
        edit:complete-sudo sudo (all $words[$at..])
    } else {
        for answer $answers {
            var text @about = (str:split "\t" $answer)
            var display = (str:join ' - ' [$text $@about])
            edit:complex-candidate $text &display=$display &code-suffix=' '
        }
    }
}
